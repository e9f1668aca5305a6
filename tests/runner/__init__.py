"""The test orchestrator behind `./dev test`: which suites there are, how each is run and its cases counted."""
