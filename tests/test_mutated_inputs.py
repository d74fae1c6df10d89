"""Mutated inputs: each gives an Inspection or a named error, in strict JSON, and nothing on stderr.

No photograph of which 2 % or more are zeros is PASS or REJECT. Zeros that begin at a border of two rows of pixels look
like a black border of the scene: such a photograph is REVIEW because it is unlike the good ones, not because of damage.
"""

import json

import mutated_inputs
from conftest import Tiny


def test_every_mutated_photograph_and_model_is_judged_or_named(tiny_model: Tiny) -> None:
    found = mutated_inputs.run(tiny_model.model, 2000, seed=0)
    assert found["wrong"] == []
    assert found["inputs"] == sum(found["counts"].values()) == 2000
    kinds = {name.partition(":")[0] for name in found["counts"]}
    assert kinds >= mutated_inputs.MUTATIONS.keys()
    assert {"model's manifest", "model's network.onnx", "model's surface.npz"} <= kinds
    assert {"PASS", "REVIEW", "REJECT", "FAILED"} <= {name.rpartition(" ")[2] for name in found["counts"]}


def test_the_same_seed_gives_the_same_inputs_wherever_it_begins() -> None:
    inputs = list(mutated_inputs.photographs(0, 0, 60))
    assert inputs == list(mutated_inputs.photographs(0, 0, 60))
    assert inputs[40:] == list(mutated_inputs.photographs(0, 40, 60))
    assert inputs != list(mutated_inputs.photographs(1, 0, 60))


def test_what_must_not_happen_is_named() -> None:
    def judged(stderr: str = "", **changes: object) -> str:
        sound = {"verdict": None, "error": "damaged", "reason": "the photograph is not readable"}
        return mutated_inputs.judged({"found": json.dumps(sound | changes), "stderr": stderr}, 0)[1]

    assert judged() == ""
    assert judged(verdict="PASS", error=None) == ""
    assert "on stderr: 'a raw line'" in judged("a raw line")
    assert "verdict PASS with error 'damaged'" in judged(verdict="PASS")
    assert "verdict None with error None" in judged(error=None)
    assert "could not be judged" in judged(reason="could not be judged")
    lost = {"found": json.dumps({"verdict": "REJECT", "error": None}), "stderr": ""}
    assert mutated_inputs.judged(lost, 0, is_lost=True)[1] == "verdict REJECT although a part is lost"
    assert mutated_inputs.judged(lost, 0)[1] == ""
    assert "NaN in JSON" in judged(score=float("nan"))
    assert mutated_inputs.judged({"found": '{"raised": "KeyError: 1"}', "stderr": ""}, 0) == ("RAISED", "KeyError: 1")
    assert mutated_inputs.judged(None, -14)[1] == "the process ended with -14"
