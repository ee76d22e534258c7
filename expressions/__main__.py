"""The command `expressions`, which is run.py under another name; `python -m expressions` is the same."""

from run import main

if __name__ == "__main__":
    main()
