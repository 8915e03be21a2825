"""SpeechRecognition hears what the official client's speech says. It reads OPENAI_BASE_URL."""

import json
import os
from importlib.metadata import version

import speech_recognition
from openai import OpenAI

TEXT = "The quick brown fox jumps over the lazy dog."

speech = OpenAI().audio.speech.create(
    model=os.environ.get("SPEECH_MODEL", "tts-1"),
    voice="alloy",
    input=TEXT,
    response_format="pcm",
)
audio = speech_recognition.AudioData(speech.content, sample_rate=24_000, sample_width=2)
recognizer = speech_recognition.Recognizer()
seen = {
    "version": version("SpeechRecognition"),
    "text": recognizer.recognize_openai(audio, model="whisper-1", language="en", temperature=0),
}
print(json.dumps(seen))
