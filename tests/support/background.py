"""One asyncio loop in a thread, on which all users live; scenes stay plain sequences of calls."""
import asyncio
import threading

_loop = None


def loop():
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()

        def run():
            asyncio.set_event_loop(_loop)
            _loop.run_forever()

        threading.Thread(target=run, name="users", daemon=True).start()
    return _loop


def begin_anew():
    """From now on another loop in another thread, which is in the network of the thread that calls it next."""
    global _loop
    _loop = None


def call(function, *arguments):
    """Runs function(*arguments) on the loop and returns its result; awaits it first if it is a coroutine."""

    async def run():
        result = function(*arguments)
        return await result if asyncio.iscoroutine(result) else result

    return asyncio.run_coroutine_threadsafe(run(), loop()).result(60)
