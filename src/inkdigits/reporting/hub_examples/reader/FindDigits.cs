// Finds the digits and signs of a picture: dotnet run --project examples PICTURE
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using SixLabors.ImageSharp;
using SixLabors.ImageSharp.PixelFormats;

var folder = Environment.GetEnvironmentVariable("MODEL_FOLDER") ?? ".";
using var card = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "model.json")));
var names = card.RootElement.GetProperty("classes").EnumerateArray().Select(n => n.GetString()).ToArray();
var threshold = card.RootElement.GetProperty("threshold").GetSingle();
using var session = new InferenceSession(Path.Combine(folder, "model.onnx"));

using var image = Image.Load<Rgb24>(args[0]);
var picture = new DenseTensor<byte>(new[] { image.Height, image.Width }); // 0 is black
for (var y = 0; y < image.Height; y++)
    for (var x = 0; x < image.Width; x++)
    {
        var pixel = image[x, y];
        picture[y, x] = (byte)((19595 * pixel.R + 38470 * pixel.G + 7471 * pixel.B + 0x8000) >> 16);
    }
using var results = session.Run(
    new[] { NamedOnnxValue.CreateFromTensor("picture", picture) },
    new[] { "boxes", "classes", "scores" });
var boxes = results[0].AsTensor<float>();
var classes = results[1].AsTensor<long>();
var scores = results[2].AsTensor<float>();

var order = Enumerable.Range(0, (int)scores.Length).OrderBy(i => boxes[i, 0]); // from left to right
foreach (var i in order.Where(i => scores[i] >= threshold))
{
    var box = Enumerable.Range(0, 4).Select(k => (int)Math.Round(boxes[i, k])).ToArray();
    Console.WriteLine(FormattableString.Invariant(
        $"{names[classes[i]]} {scores[i]:0.00} at {box[0]},{box[1]} of {box[2]} x {box[3]} pixels"));
}
