"""`python -m vg_keras` is tested with the command, in test_cli.py."""
