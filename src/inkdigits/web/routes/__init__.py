"""The routes of the service, one module per group of addresses.

A new route goes into the module of its address; a new group gets a module with a `router`, which
`inkdigits.web.application` includes. What several routes share is in `inkdigits.web.service`, the
models of requests and responses are in `inkdigits.web.schemas`.
"""
