"""The wire lab: exchange and daemon as real processes over real sockets, and what befalls them."""
