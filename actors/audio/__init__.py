"""Sound: devices, the play ring, resampling, recordings and the engines that hear speech."""
