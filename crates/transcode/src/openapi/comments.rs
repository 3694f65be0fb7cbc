//! The comments of `.proto` files, by the place that they stand before.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};

/// All comments of a set of descriptors.
#[derive(Debug, Default)]
pub(super) struct Comments {
    /// By the name of the file and the path inside of it (descriptor.proto, "SourceCodeInfo").
    by_place: HashMap<(String, Vec<i32>), String>,
}

// === impl Comments ===

impl Comments {
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        let mut by_place = HashMap::new();
        for file in pool.files() {
            let Some(source) = &file.file_descriptor_proto().source_code_info else { continue };
            for location in &source.location {
                let text = clean(location.leading_comments());
                if !text.is_empty() {
                    by_place.insert((file.name().to_owned(), location.path.clone()), text);
                }
            }
        }
        Self { by_place }
    }

    pub(super) fn of_service(&self, service: &ServiceDescriptor) -> Option<&str> {
        self.at(&service.parent_file(), service.path())
    }

    pub(super) fn of_method(&self, method: &MethodDescriptor) -> Option<&str> {
        self.at(&method.parent_file(), method.path())
    }

    pub(super) fn of_message(&self, message: &MessageDescriptor) -> Option<&str> {
        self.at(&message.parent_file(), message.path())
    }

    pub(super) fn of_field(&self, field: &FieldDescriptor) -> Option<&str> {
        self.at(&field.parent_file(), field.path())
    }

    pub(super) fn of_enum(&self, kind: &EnumDescriptor) -> Option<&str> {
        self.at(&kind.parent_file(), kind.path())
    }

    fn at(&self, file: &FileDescriptor, path: &[i32]) -> Option<&str> {
        self.by_place.get(&(file.name().to_owned(), path.to_vec())).map(String::as_str)
    }
}

/// The lines of a comment without the space that follows the slashes.
fn clean(comment: &str) -> String {
    let line = |line: &str| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned();
    let lines: Vec<String> = comment.lines().map(line).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn comments_lose_what_marks_them() {
        assert_eq!(clean(" One.\n  Two.\n\n Three. \n"), "One.\n Two.\n\nThree.");
        assert_eq!(clean(""), "");
    }
}
