"""Found by the fuzzer: crash in mode scripted, seed 900271.

crash (status -11) in mode scripted
Fatal Python error: Segmentation fault

Current thread 0x00007fa74f433b80 (most recent call first):
  File "compare.py", line 233 in step
  File "compare.py", line 377 in _run_mode
  File "compare.py", line 345 in _check
  File "compare.py", line 320 in check
  File "worker.py", line 64 in run
  File "worker.py", line 118 in main
  File "worker.py", line 122 in <module>
  File "<frozen runpy>", line 88 in _run_code
  File "<frozen runpy>", line 198 in _run_module_as_main

Extension modules: numpy._core._multiarray_umath, numpy.linalg._umath_linalg (total: 2)

Replay: python -m fuzz.compare fuzz/found/crash_scripted_f8a25569.py
"""

@njit
def f(p0):
    for i1 in range(p0, 7):
        pass
STEPS = [('call', 'f', '[0]'), ('call', 'f', '[np.uint64(1)]')]
