import pytest

from realtime.base.errors import Trouble
from realtime.base.tflite import interpreter_class


def test_the_first_runtime_that_is_there_is_taken():
    assert interpreter_class()[1] == "ai_edge_litert"
    assert interpreter_class(("no_such_runtime.interpreter", "json", "ai_edge_litert.interpreter"))[1] == "ai_edge_litert"
    with pytest.raises(Trouble, match=r"no TFLite runtime found \(tried no_such_runtime\).*pip install ai-edge-litert"):
        interpreter_class(("no_such_runtime.interpreter",))
