from helpers.experiment import WITHOUT_CHAIN, steps_asked


def test_a_warmed_up_model_is_asked_no_story_longer_than_it_can_do():
    assert steps_asked("pocket", (1, 4, 6), WITHOUT_CHAIN) == (1, 4, 6)
    assert steps_asked("small", (1, 2, 3, 4)) == (1, 2, 3)
    assert steps_asked("small", (1, 2), WITHOUT_CHAIN) == (1,)
