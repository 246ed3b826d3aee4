#include "layerwise/dataset.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "folder_test_case.h"
#include "layerwise/error.h"

namespace layerwise::test {
namespace {

namespace fs = std::filesystem;

class Dataset : public FolderTest {
 protected:
  static void expectError(const std::string& part, const std::function<void()>& action) {
    try {
      action();
      ADD_FAILURE() << "no error, expected: " << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
};

TEST_F(Dataset, ImagesAreListedSortedAndDeep) {
  for (const char* name : {"b.PNG", "a/c.jpeg", "a/d.txt", ".hidden/e.jpg", ".f.jpg", "a.jpg"}) {
    write(name, "");
  }
  EXPECT_EQ(listImages(folder_.string()),
            (std::vector<std::string>{path("a.jpg"), path("a/c.jpeg"), path("b.PNG")}));
  expectError("is not a folder", [&] { listImages(path("none")); });
}

TEST_F(Dataset, YoloFoldersWithSubFolders) {
  write("images/val/1.jpg", "");
  write("images/2.png", "");
  write("labels/val/1.txt", "0 0.5 0.5 0.1 0.1\n");
  const YoloDataset dataset = openYoloDataset(folder_.string());
  EXPECT_EQ(dataset.images,
            (std::vector<std::string>{path("images/2.png"), path("images/val/1.jpg")}));
  EXPECT_EQ(dataset.labels,
            (std::vector<std::string>{path("labels/2.txt"), path("labels/val/1.txt")}));
  EXPECT_EQ(readYoloLabels(dataset.labels[0]).size(), 0u);
  EXPECT_EQ(readYoloLabels(dataset.labels[1]).size(), 1u);
  EXPECT_EQ(openYoloDataset(path("images/val")).images.size(), 1u);
}

TEST_F(Dataset, YoloDataYaml) {
  write("images/val/1.jpg", "");
  write("images/train/2.jpg", "");
  write("labels/val/1.txt", "");
  write("list.txt", "images/train/2.jpg\r\n\n");
  const std::string yaml = write("data.yaml",
                                 "# a comment\n"
                                 "path: ../elsewhere  # not here\n"
                                 "train: images/train\n"
                                 "val:\n  - images/val\n  - list.txt\n"
                                 "nc: 3\n"
                                 "names:\n  0: person\n  2: 'it''s: one'\n  1: \"b # c\"\n");
  const YoloDataset dataset = openYoloDataset(yaml);
  EXPECT_EQ(dataset.images,
            (std::vector<std::string>{path("images/train/2.jpg"), path("images/val/1.jpg")}));
  EXPECT_EQ(dataset.names, (std::vector<std::string>{"person", "b # c", "it's: one"}));
  EXPECT_EQ(openYoloDataset(folder_.string()).images.size(), 2u);
}

TEST_F(Dataset, NamesInEveryNotation) {
  const std::vector<std::string> expected{"a", "b c", "d, e"};
  EXPECT_EQ(readClassNames(write("1.yaml", "names: [a, 'b c', \"d, e\"]\n")), expected);
  EXPECT_EQ(readClassNames(write("2.yaml", "names: [a,\n  b c,\n  'd, e']\n")), expected);
  EXPECT_EQ(readClassNames(write("3.yml", "names: {0: a, 1: b c, 2: 'd, e'}\n")), expected);
  EXPECT_EQ(readClassNames(write("4.yaml", "names:\n- a\n- b c\n- 'd, e'\nnc: 3\n")), expected);
  EXPECT_EQ(readClassNames(write("5.txt", "a\r\nb c\r\nd, e\r\n\r\n")), expected);
  expectError("line 2: 'x' is not `class id: name`",
              [&] { readClassNames(write("6.yaml", "names:\n  x\n")); });
  expectError("']' is missing", [&] { readClassNames(write("7.yaml", "names: [a\n")); });
  expectError("has no class names", [&] { readClassNames(write("8.txt", "")); });
  expectError("none.txt]", [&] { readClassNames(path("none.txt")); });
}

TEST_F(Dataset, LabelsAndPolygons) {
  const auto labels = readYoloLabels(write("x.txt",
                                           "3 0.5 0.25 0.2 0.1\r\n"
                                           "\n"
                                           "1 0.1 0.2 0.5 0.2 0.3 0.8\n"
                                           "3 0.5 0.25 0.2 0.1\n"));
  ASSERT_EQ(labels.size(), 2u);
  EXPECT_EQ(labels[0].classId, 3);
  EXPECT_FLOAT_EQ(labels[0].cy, 0.25f);
  EXPECT_EQ(labels[1].classId, 1);
  EXPECT_FLOAT_EQ(labels[1].cx, 0.3f);
  EXPECT_FLOAT_EQ(labels[1].cy, 0.5f);
  EXPECT_FLOAT_EQ(labels[1].width, 0.4f);
  EXPECT_FLOAT_EQ(labels[1].height, 0.6f);
}

TEST_F(Dataset, BadLabelsNameFileAndLine) {
  for (const auto& [text, part] : {std::pair{"0 0.5 0.5 0.1", "x.txt] line 1: 4 numbers"},
                                   std::pair{"\n0 0.5 0.5 0.1 x", "line 2: 'x' is not a number"},
                                   std::pair{"0 0.5 0.5 0.1 nan", "'nan' is not a number"},
                                   std::pair{"-1 0.5 0.5 0.1 0.1", "'-1' is not a class id"},
                                   std::pair{"0.5 0.5 0.5 0.1 0.1", "'0.5' is not a class id"},
                                   std::pair{"0 0.5 0.5 0.1 1.5", "1.5 is not in 0...1"}}) {
    expectError(part, [&] { readYoloLabels(write("x.txt", text)); });
  }
}

TEST_F(Dataset, BadYoloFolders) {
  expectError("is not there", [&] { openYoloDataset(path("none")); });
  expectError("no JPEG or PNG", [&] { openYoloDataset(folder_.string()); });
  write("images/1.jpg", "");
  expectError("no labels/", [&] { openYoloDataset(folder_.string()); });
  fs::create_directories(folder_ / "labels");
  expectError("not one picture has labels", [&] { openYoloDataset(folder_.string()); });
  write("data.yaml", "names: [a]\n");
  expectError("has no `val:`", [&] { openYoloDataset(folder_.string()); });
  write("data.yaml", "val: nowhere\n");
  expectError("`val: nowhere` is not there", [&] { openYoloDataset(folder_.string()); });
}

TEST_F(Dataset, ClassificationFolderAndList) {
  write("set/dog/1.jpg", "");
  write("set/cat/2.jpg", "");
  write("set/cat/a 3.jpg", "");
  const auto folder = openClassificationDataset(path("set"));
  EXPECT_EQ(folder.names, (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(folder.images.size(), 3u);
  EXPECT_EQ(folder.images[2].path, path("set/dog/1.jpg"));
  EXPECT_EQ(folder.images[2].classId, 1);

  const auto list = openClassificationDataset(write("l.txt", "set/cat/a 3.jpg 7\n/x/y.png\t0\n"));
  ASSERT_EQ(list.images.size(), 2u);
  EXPECT_EQ(list.images[0].path, path("set/cat/a 3.jpg"));
  EXPECT_EQ(list.images[0].classId, 7);
  EXPECT_EQ(list.images[1].path, "/x/y.png");
  expectError("line 1: not `path class`",
              [&] { openClassificationDataset(write("m.txt", "x.jpg cat\n")); });
  expectError("names no pictures", [&] { openClassificationDataset(write("n.txt", "")); });
  expectError("has no sub-folders", [&] { openClassificationDataset(path("set/dog")); });
}

TEST_F(Dataset, IdxPair) {
  using namespace std::string_literals;
  const std::string images = write("i", "\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x03"s + "abcdef");
  const std::string labels = write("l", "\0\0\x08\x01\0\0\0\x02\x07\x09"s);
  const IdxDataset dataset = readIdxDataset(images, labels);
  EXPECT_EQ(dataset.width, 3);
  EXPECT_EQ(dataset.height, 1);
  EXPECT_EQ(dataset.pixels[5], 'f');
  EXPECT_EQ(dataset.labels, (std::vector<std::uint8_t>{7, 9}));
  expectError("i] is not an idx file of bytes in 1", [&] { readIdxDataset(images, images); });
  expectError("is truncated", [&] {
    readIdxDataset(write("t", "\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x03"s), labels);
  });
  expectError("1 labels for 2 pictures",
              [&] { readIdxDataset(images, write("s", "\0\0\x08\x01\0\0\0\x01\x07"s)); });
}

}  // namespace
}  // namespace layerwise::test
