"""Tables of trainings: columns and their parts, evaluation and summary.

    DIR/question.json                  settings that all columns of a table share
    DIR/results/<column>/seed0.json    a result and the question that it answers, one file a seed

Existing results are kept: an interrupted command continues with the next missing seed or column,
and an interrupted training at its checkpoint. Several commands on different columns or seeds may
fill one folder at the same time.
"""
