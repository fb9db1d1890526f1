import pytest

BACKENDS = ["reference"]


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param
