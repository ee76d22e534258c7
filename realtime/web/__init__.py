"""The preview in a browser: `guard.py` who may look, `hub.py` from the loop to the viewers, `server.py` the addresses, `sink.py` the sink."""
