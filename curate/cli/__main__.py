"""The program: `curate`, and `python -m curate.cli` where there is no console script (launchers of processes).

A worker process runs the console script's imports once more, as spawned processes do. So nothing is loaded here until
the command line is asked for.
"""

import sys


def main() -> None:
    """The console script."""
    from curate.cli.interpreter import restart_in_utf8
    from curate.cli.standard_streams import fill_descriptors

    restart_in_utf8()
    fill_descriptors()
    from curate.executors.early_start import start_early

    start_early(sys.argv[1:])
    from curate.cli.main import main as command_line

    command_line()


if __name__ == "__main__":
    main()
