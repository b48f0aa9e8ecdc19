import numpy as np

from textlattice.batch.text_batch import Documents, Graph, map_arrays


def test_map_arrays_reaches_every_array_and_keeps_what_is_absent():
    graph = Graph(neighbours=np.array([[1]]), mask=np.array([[True]]))
    converted = map_arrays(graph, np.ndarray.tolist)
    assert converted == Graph(neighbours=[[1]], mask=[[True]], inverse=None)


def test_map_arrays_goes_down():
    documents = Documents(
        doc_ptr=np.array([0, 2]), doc_index=Documents(doc_ptr=np.array([1]), doc_index=None)
    )
    converted = map_arrays(documents, len)
    assert converted == Documents(doc_ptr=2, doc_index=Documents(doc_ptr=1, doc_index=None))
