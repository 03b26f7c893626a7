mod calls;
mod peers;
mod real;
