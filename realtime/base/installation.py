"""How this program is installed anew. That depends on where it is: in its own folder, or among Python's packages as `expressions`."""

IN_FOLDER = __name__ == "realtime.base.installation"
"""Whether this is the program's folder. Where it is installed, setup.py has moved the module into the package `expressions`."""

REINSTALL = (
    "install anew with `pip install --force-reinstall -r requirements.txt`"
    if IN_FOLDER
    else "install the program anew: `pipx reinstall realtime-expressions`, or `pip install --force-reinstall` and where it came from"
)
"""In messages: what to do where an installed package does not work."""

REMEDY = "run `pip install -r requirements.txt` in a venv and start run.py with that venv's Python" if IN_FOLDER else REINSTALL
"""In messages: what to do where a package is missing."""
