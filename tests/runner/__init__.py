"""The test orchestrator behind `./dev test`: which suites there are, how each is run, how its test cases are counted."""
