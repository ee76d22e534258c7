import hashlib
import json

import pytest

from realtime.base.errors import Trouble
from realtime.base.tflite import interpreter_class, small_network


def test_the_first_runtime_that_is_there_is_taken():
    assert interpreter_class()[1] == "ai_edge_litert"
    assert interpreter_class(("no_such_runtime.interpreter", "json", "ai_edge_litert.interpreter"))[1] == "ai_edge_litert"
    with pytest.raises(Trouble, match=r"no TFLite runtime found \(tried no_such_runtime\).*pip install ai-edge-litert"):
        interpreter_class(("no_such_runtime.interpreter",))


def test_a_file_that_is_no_network_is_told_in_one_line(tmp_path):
    path = tmp_path / "none.tflite"
    path.write_bytes(b"no network")
    path.with_suffix(".json").write_text(json.dumps({"sha256": hashlib.sha256(b"no network").hexdigest()}))
    with pytest.raises(Trouble, match=r"the face judge's file .*none\.tflite does not load in ai_edge_litert: .*; upgrade it") as caught:
        small_network(path, "the face judge's file")
    assert "\n" not in str(caught.value)
