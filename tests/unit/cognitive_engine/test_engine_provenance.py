"""Where a memory comes from, and the hash over it."""

import hashlib

import pytest

from cognitive_engine.domain.errors import InvalidEntry
from cognitive_engine.domain.memory.provenance import HIGH_CONFIDENCE, Origin, Provenance, Source

NEW_YEAR = 1_735_689_600.0  # 2025-01-01T00:00:00 UTC
GOLDEN = "293753c8c74161a273fe35e92e81ac97af6fc973a9a744ac566775824f52d7e1"


def test_the_published_lineage():
    assert Provenance(Origin(), 0.9, NEW_YEAR).lineage_hash == GOLDEN


def test_a_lineage_that_is_its_own_is_accepted():
    provenance = Provenance(Origin(Source.USER_INPUT), 0.9, NEW_YEAR)
    assert provenance.checked(GOLDEN) is provenance


@pytest.mark.parametrize("wrong", ["", GOLDEN[:-1], GOLDEN.upper(), "0" * 64])
def test_a_wrong_lineage_is_refused(wrong):
    with pytest.raises(InvalidEntry):
        Provenance(Origin(), 0.9, NEW_YEAR).checked(wrong)


def test_every_field_shows_in_the_lineage():
    told = [
        Provenance(Origin(), 0.9, NEW_YEAR),
        Provenance(Origin(), 0.8, NEW_YEAR),
        Provenance(Origin(), 0.9, NEW_YEAR + 1),
        Provenance(Origin(), 0.9, NEW_YEAR + 0.5),
        *(
            Provenance(origin, 0.9, NEW_YEAR)
            for origin in (
                *map(Origin, list(Source)[1:]),
                Origin(llm_model="x"),
                Origin(parent_id="x"),
                Origin(policy_hash="x"),
                Origin(policy_contract_version="x"),
                Origin(content_hash="x"),
                Origin(retention_expires_at=NEW_YEAR),
                Origin(retention_expires_at=NEW_YEAR + 1),
            )
        ),
    ]
    assert len({each.lineage_hash for each in told}) == len(told)


def test_the_lineage_is_over_plain_json():
    provenance = Provenance(
        Origin(
            Source.LLM_GENERATION,
            llm_model="modèle",
            parent_id="p",
            policy_hash="h",
            policy_contract_version="1",
            content_hash="c",
            retention_expires_at=NEW_YEAR + 86_400.25,
        ),
        0.5,
        NEW_YEAR + 0.125,
    )
    text = (
        '{"confidence":0.5,"content_hash":"c","llm_model":"modèle","parent_id":"p",'
        '"policy_contract_version":"1","policy_hash":"h",'
        '"retention_expires_at":"2025-01-02T00:00:00.250000","source":"llm_generation",'
        '"timestamp":"2025-01-01T00:00:00.125000"}'
    )
    assert provenance.lineage_hash == hashlib.sha256(text.encode()).hexdigest()


def test_words_that_are_no_unicode_have_a_lineage_too():
    assert len(Provenance(Origin(llm_model="\ud800"), 0.9, NEW_YEAR).lineage_hash) == 64


@pytest.mark.parametrize(
    ("confidence", "high"), [(0.0, False), (0.699999, False), (0.7, True), (1.0, True)]
)
def test_what_counts_as_high_confidence(confidence, high):
    assert Provenance(Origin(), confidence, 0.0).is_high_confidence is high
    assert HIGH_CONFIDENCE == 0.7


def test_the_sources_are_named_as_published():
    assert [source.value for source in Source] == [
        "user_input",
        "llm_generation",
        "retrieved",
        "system",
    ]
