from helpers import experiment
from helpers.experiment import WITHOUT_CHAIN, steps_asked
from helpers.findings import reward_dial
from helpers.run import runner


def test_a_warmed_up_model_is_asked_no_story_longer_than_it_can_do():
    assert steps_asked("pocket", (1, 4, 6), WITHOUT_CHAIN) == (1, 4, 6)
    assert steps_asked("small", (1, 2, 3, 4)) == (1, 2, 3)
    assert steps_asked("small", (1, 2), WITHOUT_CHAIN) == (1,)


def test_who_never_learned_the_stories_gets_more_room_for_its_replies(monkeypatch):
    rooms = []
    monkeypatch.setattr(
        experiment,
        "checkpoints",
        lambda start, recipe, seed, doses, **given: (
            rooms.append(recipe.max_new_tokens) or dict.fromkeys(doses, start)
        ),
    )
    for tier in ("pocket", "gpu"):
        asked = runner.settings("07", tier=tier, model="pocket", seeds=[0])
        lab = reward_dial.Experiment(reward_dial.Params(**asked))
        for arm in ("rlvr", "dial 0.5"):
            lab.model(arm, 0, 3)
    start, brief = reward_dial.RECIPES["rlvr"].max_new_tokens, reward_dial.BRIEF
    assert [rooms[0], rooms[2], rooms[3], rooms[5]] == [start, brief, 256, brief]
