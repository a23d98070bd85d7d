"""Random decision trees, and their probabilities by enumerating every walk."""

import itertools

import numpy as np
from hypothesis import strategies as st

from gzmass.tree import DecisionTree


def enumerate_walks(tree, conditional):
    """Asked and joint probabilities of one galaxy from all volunteers' walks, without the tree's own arrays."""
    by_question = {q.name: [a.stem for a in q.answers] for q in tree.questions}
    probability = dict(zip(tree.stems, conditional, strict=True))
    asked = dict.fromkeys(by_question, 0.0)
    joint = dict.fromkeys(probability, 0.0)

    def leads(question, given):
        stems = set()
        for parent in question.parents:
            stems.update(by_question.get(parent, [parent]))
        return not question.parents or bool(stems & given)

    def walk(given, done, p):
        todo = [q for q in tree.questions if q.name not in done and leads(q, given)]
        if not todo:
            for name in done:
                asked[name] += p
            for stem in given:
                joint[stem] += p
            return
        names = {q.name for q in todo}
        for chosen in itertools.product(*(by_question[q.name] for q in todo)):
            here = p * np.prod([probability[stem] for stem in chosen])
            walk(given | set(chosen), done | names, here)

    walk(frozenset(), frozenset(), 1.0)
    return np.array([asked[q.name] for q in tree.questions]), np.array([joint[s] for s in tree.stems])


def exclusive(questions, chosen):
    """Whether no walk gives two of the chosen answers, found by walking."""
    by_question = {name: answers for name, answers, _ in questions}
    parents = {name: own for name, _, own in questions}

    def walk(given, done):
        if len(given & chosen) > 1:
            return False
        todo = [n for n in by_question if n not in done and (not parents[n] or parents[n] & given)]
        if not todo:
            return True
        options = itertools.product(*(by_question[name] for name in todo))
        return all(walk(given | set(answers), done | set(todo)) for answers in options)

    return walk(frozenset(), frozenset())


@st.composite
def trees(draw):
    """A tree of 1 to 6 questions, with several roots, several parents, answers that lead to several questions."""
    questions = []
    for number in range(draw(st.integers(1, 6))):
        answers = [f"q{number}a{k}" for k in range(draw(st.integers(2, 3)))]
        parents = set()
        earlier = [stem for _, stems, _ in questions for stem in stems]
        if earlier and draw(st.integers(0, 4)):
            for stem in draw(st.lists(st.sampled_from(earlier), min_size=1, max_size=4, unique=True)):
                if exclusive(questions, parents | {stem}):
                    parents.add(stem)
        questions.append((f"q{number}", answers, parents))
    order = draw(st.permutations(questions))
    return DecisionTree.from_dict(
        {
            "name": "random",
            "questions": [
                {
                    "name": name,
                    "parents": sorted(parents),
                    "answers": [{"name": stem, "stem": stem} for stem in answers],
                }
                for name, answers, parents in order
            ],
        }
    )
