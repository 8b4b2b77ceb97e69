// Classifies a digit of 28 x 28 pixels, light on black: dotnet run --project examples PICTURE
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.PixelFormats;

var folder = Environment.GetEnvironmentVariable("MODEL_FOLDER") ?? ".";
using var session = new InferenceSession(Path.Combine(folder, "model.onnx"));

using var image = Image.Load<Rgb24>(args[0]);
var tile = new DenseTensor<byte>(new[] { 1, 28, 28 }); // 0 is background
for (var y = 0; y < 28; y++)
    for (var x = 0; x < 28; x++)
    {
        var pixel = image[x, y];
        tile[0, y, x] = (byte)((19595 * pixel.R + 38470 * pixel.G + 7471 * pixel.B + 0x8000) >> 16);
    }
var input = session.InputMetadata.Keys.First();
using var results = session.Run(new[] { NamedOnnxValue.CreateFromTensor(input, tile) });
var probabilities = results[0].AsTensor<float>().ToArray();

foreach (var label in Enumerable.Range(0, probabilities.Length) // label 10: not a digit
    .OrderByDescending(label => probabilities[label]).Take(3))
    Console.WriteLine(FormattableString.Invariant($"{label} {probabilities[label]:0.00}"));
