"""The SDK beside other clients of the same endpoint: `python -m benchmarks --help`.

`server` hands out pre-rendered pages, `child` measures one peer in a fresh process, `harness` starts both,
`modes` says what is measured, and `report` and `figures` show it.
"""
