"""Mathematics: arrays in, arrays out. No orders, no venues, no clock."""
