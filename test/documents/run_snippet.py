"""
Runs a Python snippet as an interactive shell would: `await` may stand outside of functions.

    run_snippet.py snippet.py
"""
import ast
import asyncio
import inspect
import sys

path = sys.argv[1]
with open(path) as file:
    code = compile(file.read(), path, 'exec', flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
names = {'__name__': '__main__'}
result = eval(code, names)
if inspect.iscoroutine(result):
    asyncio.run(result)
