"""Second-order pooling inside a network: its share of a training step, beside other poolings."""
