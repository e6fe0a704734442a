"""The contract of the wire: what every method answers and every channel says, and against what.

`scenes` plays every method and channel; `described` judges the answers by the venue's own
description of its API where that file is present, `shapes` by the answers that were committed.
`python -m tests.exchange.contract` counts, and with `--write` commits today's shapes.
"""
