"""Raw formats to records: small frozen dataclasses, paths and annotations, no pixels."""
