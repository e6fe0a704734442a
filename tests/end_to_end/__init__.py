"""The daemon and the exchange as processes of their own, over real sockets."""
