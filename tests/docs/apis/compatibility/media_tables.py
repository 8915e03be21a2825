"""The tables of docs/compatibility.md on images and audio."""

from __future__ import annotations

from openai.types import (
    ImageCreateVariationParams,
    ImageInputReferenceParam,
    image_edit_params,
    image_generate_params,
)
from openai.types.audio import (
    speech_create_params,
    transcription_create_params,
    translation_create_params,
)

from openedai.api.openai.images.types import (
    ImageEditRequest,
    ImageGenerationRequest,
    ImageReference,
    ImageVariationRequest,
)
from openedai.api.openai.speech.types import SpeechRequest
from openedai.api.openai.transcriptions.types import TranscriptionRequest, TranslationRequest
from tests.docs.apis.compatibility.bodies import (
    IMAGE,
    IMAGE_EDIT,
    IMAGE_VARIATION,
    SPEECH,
    SPEECH_FILE,
    STREAM,
    Tables,
)

MEDIA_TABLES: Tables = {
    ("Image generations", 0): (
        set(image_generate_params.ImageGenerateParamsBase.__annotations__) | STREAM,
        ImageGenerationRequest,
        IMAGE,
    ),
    ("Image edits", 0): (
        set(image_edit_params.ImageEditParamsBase.__annotations__) | STREAM,
        ImageEditRequest,
        IMAGE_EDIT,
    ),
    ("Image edits", 1): (
        set(ImageInputReferenceParam.__annotations__),
        ImageReference,
        {"image_url": "data:"},
    ),
    ("Image variations", 0): (
        set(ImageCreateVariationParams.__annotations__),
        ImageVariationRequest,
        IMAGE_VARIATION,
    ),
    ("Transcriptions", 0): (
        set(transcription_create_params.TranscriptionCreateParamsBase.__annotations__) | STREAM,
        TranscriptionRequest,
        SPEECH_FILE,
    ),
    ("Translations", 0): (
        set(translation_create_params.TranslationCreateParams.__annotations__),
        TranslationRequest,
        SPEECH_FILE,
    ),
    ("Speech", 0): (
        set(speech_create_params.SpeechCreateParams.__annotations__),
        SpeechRequest,
        SPEECH,
    ),
}
