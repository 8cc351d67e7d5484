"""Only what setup.cfg cannot say: the preloaded library for makeflow, built where a C compiler is there."""
from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "mfmesos.workflow._makeflow_preload",
            ["mfmesos/workflow/makeflow_preload.c"],
            libraries=["dl"],
            py_limited_api=True,  # it uses no Python API at all: one file for every version
            optional=True,  # without a compiler all works, slower, and the launcher says so
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp39"}},
)
