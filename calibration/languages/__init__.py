"""The sentences of the guided capture, a module a language; `calibration.words` chooses among them."""
