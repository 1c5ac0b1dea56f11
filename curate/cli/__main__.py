"""`python -m curate.cli`: the command line where no console script is at hand (launchers of several processes)."""

from curate.cli.main import main

if __name__ == "__main__":
    main()
