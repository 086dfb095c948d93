"""meterctl: the command line for people. It is installed on a person's machine and never deployed."""
