"""ONNX graphs made out of a transformer's `config.json` and `model.safetensors`, without torch.

Only the graph is written: its weights stay in `model.safetensors`, as external data that ONNX
Runtime maps into memory. So the graph takes some kilobytes, and the weights are on disk once.

write       writes the graph of an encoder, or of a classifier
files       reads the config and the list of tensors
graph       a graph that is built node by node
bert        the encoders of BERT's family
modernbert  ModernBERT's encoder
classifier  what classifiers compute of the states of their encoder
"""
