//! Trains convolutional networks on images and shows what happens inside them.
