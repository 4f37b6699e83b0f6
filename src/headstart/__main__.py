"""The program: ``headstart``, and ``python -m headstart``."""

import gc


def main() -> None:
    """Read the program, then run a command.

    Nothing is garbage while modules are read, and a sixth of the start went into looking for it.
    What was read stays, so no later search needs to look through it again.
    """
    gc.disable()
    from headstart import command_line

    gc.freeze()
    gc.enable()
    command_line.main()


if __name__ == "__main__":
    main()
