"""Probes of any network: what recording costs, and one cut over many images beside a peer's."""
