//! A file or a tree of a container as a tar archive, while it is read.
//!
//! Owners are those that the container knows. What `cp` leaves out is left out here, too: sockets, what the
//! kernel shows, and device nodes with an error. Nothing of it is ever whole in memory.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, OFlags, Stat, fstat};
use tar::{Builder, EntryType, Header};

use super::attributes::Owners;
use super::inner_path::{Spot, Tree};
use super::transfer::{DEPTH, Done, at, is_kernel, refused};

/// An archive of what is in a tree.
pub(super) struct Pack<'a, W: Write> {
    pub(super) from: &'a Tree<'a>,
    pub(super) owners: Owners<'a>,
    pub(super) archive: Builder<W>,
}

impl<W: Write> Pack<'_, W> {
    /// Packs `source` and all below it under the name `name`; an empty one is only what is in it.
    pub(super) fn all(mut self, source: &Spot, name: &Path) -> Done {
        self.step(source, name, 0)?;
        let end = |error| (PathBuf::from("-"), error);
        self.archive.finish().map_err(end)?;
        self.archive.get_mut().flush().map_err(end)
    }

    fn step(&mut self, source: &Spot, name: &Path, depth: usize) -> Done {
        let stat = fstat(&source.fd).map_err(at(&source.place))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                if !name.as_os_str().is_empty() {
                    let mut header = self.header(&stat, EntryType::Directory);
                    // With a slash at its end, as tar(1) and the engine write it.
                    self.put(&mut header, &name.join(""), io::empty(), source)?;
                }
                self.entries(source, name, depth)
            }
            FileType::RegularFile => self.file(source, &stat, name),
            FileType::Symlink => {
                let mut header = self.header(&stat, EntryType::Symlink);
                let target = source.link().map_err(at(&source.place))?;
                let done = self.archive.append_link(&mut header, name, target);
                done.map_err(|error| (source.place.clone(), error))
            }
            FileType::Fifo => {
                let mut header = self.header(&stat, EntryType::Fifo);
                self.put(&mut header, name, io::empty(), source)
            }
            FileType::Socket => Ok(()), // it is nothing without the process that made it
            FileType::CharacterDevice | FileType::BlockDevice => Err(refused(
                &source.place,
                "it is a device node, which is not copied",
            )),
            FileType::Unknown => Err(refused(&source.place, "it is no file that can be copied")),
        }
    }

    fn entries(&mut self, source: &Spot, name: &Path, depth: usize) -> Done {
        if depth > DEPTH {
            return Err(refused(&source.place, "its directories are too deep"));
        }
        let fail = at(&source.place);
        let open = source.reopen(OFlags::RDONLY | OFlags::DIRECTORY);
        let open = open.map_err(&fail)?;
        if is_kernel(&open).map_err(&fail)? {
            return Ok(());
        }
        for entry in Dir::read_from(&open).map_err(&fail)? {
            use std::os::unix::ffi::OsStrExt;
            let entry = entry.map_err(&fail)?;
            let word = OsStr::from_bytes(entry.file_name().to_bytes());
            if word == "." || word == ".." {
                continue;
            }
            // One that has gone meanwhile was not there.
            if let Some(found) = self.from.enter(source, word).map_err(&fail)? {
                self.step(&found, &name.join(word), depth + 1)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, source: &Spot, stat: &Stat, name: &Path) -> Done {
        let from = source.reopen(OFlags::RDONLY).map_err(at(&source.place))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut header = self.header(stat, EntryType::Regular);
        header.set_size(size);
        let exact = Exact {
            file: File::from(from),
            left: size,
        };
        self.put(&mut header, name, exact, source)
    }

    fn put(&mut self, header: &mut Header, name: &Path, data: impl Read, source: &Spot) -> Done {
        let done = self.archive.append_data(header, name, data);
        done.map_err(|error| (source.place.clone(), error))
    }

    fn header(&self, stat: &Stat, kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        let (user, group) = self.owners.owner(stat);
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        header.set_uid(user.as_raw().into());
        header.set_gid(group.as_raw().into());
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
        header.set_size(0);
        header
    }
}

/// Exactly so many bytes of a file: what is appended meanwhile must not break the archive.
struct Exact {
    file: File,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most).filter(|b| !b.is_empty()) else {
            return Ok(0);
        };
        match self.file.read(buffer)? {
            0 => Err(io::Error::other("it became shorter while it was read")),
            read => {
                self.left -= read as u64;
                Ok(read)
            }
        }
    }
}
