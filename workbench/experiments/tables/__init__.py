"""The table machine: a table is its columns, parts, an evaluation and a summary.

    DIR/question.json                  what all columns of a table share
    DIR/results/<column>/seed0.json    a result and the question that it answers, one file a seed

What is there is not made again: an interrupted command goes on with the next missing seed or
column, and an interrupted training at its checkpoint. Several commands on different columns or
seeds may fill one folder at the same time.
"""
