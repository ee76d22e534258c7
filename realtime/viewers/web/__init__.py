"""The preview in a browser: who may look, from the loop to the viewers, the addresses, and the sink."""
