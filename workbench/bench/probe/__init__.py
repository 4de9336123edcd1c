"""Probes of any network: cost of recording, and one cut over many images beside a peer's."""
