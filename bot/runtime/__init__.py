"""The asyncio shell: clocks, inbox, loop, outbox, journal, timers, telemetry."""
