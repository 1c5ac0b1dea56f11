"""Keys and shapes of files of networks alone, at full size and under the names that they are published with.

Of each block the weights of its linear layers and what tells families apart; norms and biases only where they matter.
"""

from __future__ import annotations

from collections.abc import Mapping

Shape = tuple[int, ...]
Keys = dict[str, Shape]


def blocks(path: str, count: int, inside: Mapping[str, Shape]) -> Keys:
    """So many blocks with these layers; `.weight` stands behind names that end without it."""
    return {
        key: s for n in range(count) for key, s in layers({f"{path}.{n}.{k}": s for k, s in inside.items()}).items()
    }


def layers(given: Mapping[str, Shape]) -> Keys:
    """Layers outside blocks."""
    bare = (".scale", ".lin", "_token", ".gate_logits", "__")
    return {k if k.endswith(bare[:1] + bare[2:]) else f"{k}.weight": s for k, s in given.items()}


def flux1(guidance: bool = True, channels: int = 64) -> Keys:
    """FLUX.1 dev, or schnell, which has no guidance; Fill and Kontext differ in channels."""
    h = 3072
    stream = {
        "attn.qkv": (3 * h, h),
        "attn.proj": (h, h),
        "mlp.0": (4 * h, h),
        "mlp.2": (h, 4 * h),
        "mod.lin": (6 * h, h),
    }
    double = {f"{side}_{k}": s for side in ("img", "txt") for k, s in stream.items()}
    double |= {"img_attn.norm.query_norm.scale": (128,), "txt_attn.norm.key_norm.scale": (128,)}
    single = {"linear1": (7 * h, h), "linear2": (h, 5 * h), "modulation.lin": (3 * h, h)}
    edges = {"img_in": (h, channels), "txt_in": (h, 4096), "vector_in.in_layer": (h, 768), "time_in.in_layer": (h, 256)}
    edges |= {"final_layer.linear": (64, h), "final_layer.adaLN_modulation.1": (2 * h, h)}
    edges |= {f"{name}.out_layer": (h, h) for name in ("time_in", "vector_in")}
    edges |= {"guidance_in.in_layer": (h, 256), "guidance_in.out_layer": (h, h)} if guidance else {}
    return blocks("double_blocks", 19, double) | blocks("single_blocks", 38, single) | layers(edges)


def chroma() -> Keys:
    """FLUX.1 without modulations, whose values a guidance layer makes."""
    left = ("mod", "modulation", "vector_in", "time_in", "guidance_in", "adaLN_modulation")
    plain = {k: s for k, s in flux1().items() if not any(f"{part}." in k for part in left)}
    edges = {"in_proj": (5120, 64), "out_proj": (3072, 5120), "layers.0.in_layer": (5120, 5120)}
    return plain | layers({f"distilled_guidance_layer.{k}": s for k, s in edges.items()})


def radiance() -> Keys:
    """Chroma that works on pixels."""
    nerf = {"nerf_blocks.0.param_generator": (49152, 3072), "nerf_image_embedder.embedder.0": (64, 67)}
    return {k: s for k, s in chroma().items() if not k.startswith(("img_in", "final_layer"))} | layers(nerf)


def flux2(h: int, double: int, single: int, context: int, guidance: bool = False) -> Keys:
    """klein 4B and 9B, dev."""
    stream = {"attn.qkv": (3 * h, h), "attn.proj": (h, h), "mlp.0": (6 * h, h), "mlp.2": (h, 3 * h)}
    both = {f"{side}_{k}": s for side in ("img", "txt") for k, s in stream.items()}
    edges = {f"double_stream_modulation_{side}.lin": (6 * h, h) for side in ("img", "txt")}
    edges |= {"single_stream_modulation.lin": (3 * h, h), "img_in": (h, 128), "txt_in": (h, context)}
    edges |= {"time_in.in_layer": (h, 256), "time_in.out_layer": (h, h), "final_layer.linear": (128, h)}
    edges |= {"final_layer.adaLN_modulation.1": (2 * h, h)}
    edges |= {"guidance_in.in_layer": (h, 256), "guidance_in.out_layer": (h, h)} if guidance else {}
    ones = {"linear1": (9 * h, h), "linear2": (h, 4 * h)}
    return (
        blocks("double_blocks", double, both)
        | blocks("single_blocks", single, ones)
        | {f"{k}.weight": s for k, s in edges.items()}
    )


def flux3() -> Keys:
    """As diffusers' converter knows it."""
    edges = {f"early_stream_modulations.{mode}.lin.weight": (6, 6) for mode in ("image", "text")}
    return edges | blocks("single_blocks", 4, {"q_proj": (6, 6), "mlp_in": (6, 6)})


def single_stream(width: int, count: int, text: int, modulation: str, pads: bool = True, **other: Shape) -> Keys:
    """Lumina 2 and Z-Image; the first has fewer keys and values than queries."""
    lumina = width == 2304
    qkv, inner = (width + 2 * 768, 9216) if lumina else (3 * width, 10240)
    block = {
        "attention.qkv": (qkv, width),
        "attention.out": (width, width),
        "attention.k_norm": (96 if lumina else 128,),
    }
    block |= {"feed_forward.w1": (inner, width), "feed_forward.w2": (width, inner), "feed_forward.w3": (inner, width)}
    timed = {**block, modulation: (4 * width, 1024 if lumina else 256)}
    edges: dict[str, Shape] = {"cap_embedder.0": (text,), "cap_embedder.1": (width, text), "x_embedder": (width, 64)}
    edges |= {"t_embedder.mlp.0": (1024, 256), "t_embedder.mlp.2": (1024 if lumina else 256, 1024)}
    edges |= {"final_layer.linear": (64, width), "final_layer.adaLN_modulation.1": (width, 1024 if lumina else 256)}
    found = blocks("layers", count, timed) | blocks("noise_refiner", 2, timed) | blocks("context_refiner", 2, block)
    tokens: Keys = {"cap_pad_token": (1, width), "x_pad_token": (1, width)} if pads else {}
    return found | layers(edges) | tokens | {key.replace("__", "."): shape for key, shape in other.items()}


def zimage(**other: Shape) -> Keys:
    """Z-Image and Turbo."""
    return single_stream(3840, 30, 2560, "adaLN_modulation.0", **other)


def cosmos(adapter: bool) -> Keys:
    """Cosmos-Predict2 2B, and Anima, which holds its conditioner too."""
    h = 2048
    attention = dict.fromkeys(("q_proj", "k_proj", "v_proj", "output_proj"), (h, h))
    block = {f"self_attn.{k}": s for k, s in attention.items()} | {f"cross_attn.{k}": s for k, s in attention.items()}
    block |= {"cross_attn.k_proj": (h, 1024), "cross_attn.v_proj": (h, 1024)}
    block |= {"mlp.layer1": (4 * h, h), "mlp.layer2": (h, 4 * h)}
    for name in ("self_attn", "cross_attn", "mlp"):
        block |= {f"adaln_modulation_{name}.1": (256, h), f"adaln_modulation_{name}.2": (3 * h, 256)}
    edges = {"x_embedder.proj.1": (h, 68), "t_embedder.1.linear_1": (h, h), "t_embedder.1.linear_2": (3 * h, h)}
    edges |= {"final_layer.linear": (64, h), "final_layer.adaln_modulation.1": (256, h)}
    edges |= {"final_layer.adaln_modulation.2": (2 * h, 256)}
    inside = {f"{a}.{w}_proj": (1024, 1024) for a in ("self_attn", "cross_attn") for w in "qkvo"}
    inside |= {"mlp.0": (4096, 1024), "mlp.2": (1024, 4096)}
    own = blocks("llm_adapter.blocks", 6, inside) | {"llm_adapter.embed.weight": (32128, 1024)}
    return blocks("blocks", 28, block) | layers(edges) | (own if adapter else {})


def krea2() -> Keys:
    """Krea 2 Raw and Turbo."""
    h, w = 6144, 2560
    attention = {"wq": (h, h), "wk": (1536, h), "wv": (1536, h), "wo": (h, h), "gate": (h, h)}
    block = {f"attn.{k}": s for k, s in attention.items()}
    block |= {"mlp.gate": (16384, h), "mlp.up": (16384, h), "mlp.down": (h, 16384)}
    text = {f"attn.{k}": (w, w) for k in attention}
    text |= {"mlp.gate": (6912, w), "mlp.up": (6912, w), "mlp.down": (w, 6912)}
    edges = {"first": (h, 64), "tmlp.0": (h, 256), "tmlp.2": (h, h), "tproj.1": (6 * h, h), "last.linear": (64, h)}
    edges |= {"txtmlp.1": (h, w), "txtmlp.3": (h, h), "txtfusion.projector": (1, 12)}
    fused = {f"txtfusion.{kind}": 2 for kind in ("layerwise_blocks", "refiner_blocks")}
    found = blocks("blocks", 28, block) | layers(edges)
    return found | {k: s for path, count in fused.items() for k, s in blocks(path, count, text).items()}


def qwen_image(text: int = 3584, **other: Shape) -> Keys:
    """Qwen-Image and its siblings; Mage-Flow reads another width of text."""
    h = 3072
    block = {f"attn.{k}": (h, h) for k in ("to_q", "to_k", "to_v", "to_out.0", "to_add_out")}
    block |= {f"attn.add_{k}_proj": (h, h) for k in "qkv"}
    for side in ("img", "txt"):
        block |= {f"{side}_mlp.net.0.proj": (4 * h, h), f"{side}_mlp.net.2": (h, 4 * h), f"{side}_mod.1": (6 * h, h)}
    edges: dict[str, Shape] = {"img_in": (h, 64), "txt_in": (h, text), "txt_norm": (text,), "proj_out": (64, h)}
    edges |= {"norm_out.linear": (2 * h, h), "time_text_embed.timestep_embedder.linear_1": (h, 256)}
    edges |= {"time_text_embed.timestep_embedder.linear_2": (h, h)}
    return blocks("transformer_blocks", 60, block) | layers(edges) | dict(other)


def qwen_image_21() -> Keys:
    """Qwen-Image 2.1, whose blocks are of one stream."""
    h = 4096
    block = {f"attn.{k}": (h, h) for k in ("to_q", "to_k", "to_v", "to_out.0")}
    block |= {"img_mlp.gate_up": (6 * h, h), "img_mlp.out": (h, 3 * h)}
    edges: dict[str, Shape] = {"txt_in.text_norm": (4096,), "txt_in.in_layer": (h, 4096), "txt_in.out_layer": (h, h)}
    edges |= {"img_in": (h, 64), "modulation.1": (4 * h, h), "norm_out.linear": (h, h), "proj_out": (64, h)}
    edges |= {f"time_text_embed.timestep_embedder.linear_{n}": (h, into) for n, into in ((1, 256), (2, h))}
    return blocks("transformer_blocks", 32, block) | layers(edges)


def sd3(w: int, count: int, dual: int = 0) -> Keys:
    """SD 3.5 large and medium; the first blocks of medium attend to pictures a second time."""
    own = {"attn.qkv": (3 * w, w), "attn.proj": (w, w), "mlp.fc1": (4 * w, w), "mlp.fc2": (w, 4 * w)}
    own |= {"adaLN_modulation.1": (6 * w, w), "attn.ln_q": (64,), "attn.ln_k": (64,)}
    block = {f"{name}_block.{k}": s for name in ("x", "context") for k, s in own.items()}
    found = blocks("joint_blocks", count, block)
    again = {"attn2.qkv": (3 * w, w), "attn2.proj": (w, w), "adaLN_modulation.1": (9 * w, w)}
    found |= blocks("joint_blocks", dual, {f"x_block.{k}": s for k, s in again.items()})
    unused = [f"joint_blocks.{count - 1}.context_block.{k}.weight" for k in ("attn.proj", "mlp.fc1", "mlp.fc2")]
    last = {f"joint_blocks.{count - 1}.context_block.adaLN_modulation.1.weight": (2 * w, w)}
    edges = {"x_embedder.proj": (w, 16, 2, 2), "context_embedder": (w, 4096), "final_layer.linear": (64, w)}
    edges |= {"final_layer.adaLN_modulation.1": (2 * w, w), "y_embedder.mlp.0": (w, 2048), "y_embedder.mlp.2": (w, w)}
    edges |= {"t_embedder.mlp.0": (w, 256), "t_embedder.mlp.2": (w, w)}
    whole = found | last | layers(edges) | {"pos_embed": (1, 147456 if dual else 36864, w)}
    return {key: shape for key, shape in whole.items() if key not in unused}


OTHERS: dict[str, tuple[Keys, str]] = {
    "flux1-schnell": (flux1(guidance=False), "FLUX.1 of another kind than dev"),
    "flux1-fill": (flux1(channels=384), "FLUX.1 of another kind than dev"),
    "flux2-dev": (flux2(6144, 8, 48, 15360, guidance=True), "FLUX.2 dev"),
    "flux3": (flux3(), "FLUX.3"),
    "radiance": (radiance(), "Chroma Radiance"),
    "ming": (single_stream(3840, 30, 2560, "adaLN_modulation.0", pads=False), "Ming-Image"),
    "z-image-omni": (zimage(siglip_embedder__0__weight=(1152,)), "Z-Image Omni"),
    "z-image-pixels": (zimage(dec_net__cond_embed__weight=(3840, 3840)), "the Z-Image that works on pixels"),
    "cosmos-predict2": (cosmos(adapter=False), "Cosmos-Predict2 without Anima's conditioner"),
    "qwen-image-edit-2511": (qwen_image(__index_timestep_zero__=(0,)), "Qwen-Image-Edit"),
    "mage-flow": (qwen_image(text=2560), "Mage-Flow"),
    "qwen3 encoder": ({"model.layers.0.self_attn.q_proj.weight": (4096, 2560)}, "a text encoder alone"),
    "t5 encoder": ({"encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096)}, "a text encoder alone"),
    "qwen vae": ({"decoder.middle.0.residual.0.gamma": (384, 1, 1, 1)}, "an autoencoder alone"),
}
"""Files that no family of ours reads, and what the refusal calls them."""
FAMILIES: dict[str, tuple[Keys, str]] = {
    "anima": (cosmos(adapter=True), ""),
    "zimage": (zimage(), ""),
    "klein-base-4b": (flux2(3072, 5, 20, 7680), ""),
    "klein-base-9b": (flux2(4096, 8, 24, 12288), ""),
    "flux1": (flux1(), ""),
    "krea2": (krea2(), ""),
    "qwen-image": (qwen_image(), ""),
    "qwen-image-21": (qwen_image_21(), ""),
    "chroma": (chroma(), ""),
    "lumina2": (single_stream(2304, 26, 2304, "adaLN_modulation.1", pads=False), ""),
    "sd35-large": (sd3(2432, 38), ""),
    "sd35-medium": (sd3(1536, 24, dual=13), ""),
}
"""Files of each family by its name; and what a file is called as long as there is no such family."""
