// Hot enough for V8's optimising compiler; a regular expression and WebAssembly beside it.
const wasm = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]));
const add = new WebAssembly.Instance(wasm).exports.add;
function hot(n) { let s = 0; for (let i = 0; i < n; i++) s = add(s, i) % 7919 + (/(\d+)x/.test(i + "x") ? 1 : 0); return s; }
hot(300000);
setInterval(() => hot(2000), 200);
