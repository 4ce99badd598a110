from orgtrail_deploy.local.kafka import cluster_id


def test_a_cluster_id_is_never_taken_for_an_option():
    ids = [cluster_id(port) for port in range(9000, 12000)]
    assert not [text for text in ids if text.startswith("-")]
    assert {len(text) for text in ids} == {22}
    assert len(set(ids)) == len(ids)


def test_every_node_of_a_cluster_gets_the_same():
    assert cluster_id(9093) == cluster_id(9093)
