"""The networks of the codec: encoder, quantizer, decoder and detail."""
