"""The embedded exchange: a pure engine that speaks Deribit's protocol outside."""
