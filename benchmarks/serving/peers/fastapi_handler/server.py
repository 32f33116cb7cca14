"""A plain FastAPI handler with a thread pool, as most people write it first."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from classifier import answer, decode, open_session
from fastapi import FastAPI, Request

app = FastAPI()
session = open_session()
pool = ThreadPoolExecutor(os.cpu_count())


@app.post("/classify")
async def classify(request: Request) -> dict[str, list[float]]:
    """Decode and classify one photo."""
    photo = await request.body()
    return await asyncio.get_running_loop().run_in_executor(pool, work, photo)


def work(photo: bytes) -> dict[str, list[float]]:
    """All of it in one thread."""
    return answer(session.run(["logits"], {"image": decode(photo)})[0][0])


uvicorn.run(app, port=int(os.environ["PORT"]), access_log=False, log_level="warning")
