// The pages of the console, in the order of the menu. Each is a module in pages/, loaded when it is
// first opened, which exports
//
//   title            the heading
//   open(page)       fills page.main; a function that it returns is called when the page is left
//
// `page` has main (an element), signal (aborted when the page is left), path (what follows the
// page's name in the address, in parts), fail(error) (shows an error) and session.
// Pages with `admin` are shown to keys that may manage the server.

export const PAGES = [
  { name: "now", label: "Now", icon: "pulse", admin: true },
  { name: "models", label: "Models", icon: "cube", admin: true },
  { name: "playground", label: "Playground", icon: "chat" },
  { name: "files", label: "Files", icon: "file" },
  { name: "vector_stores", label: "Vector stores", icon: "search" },
  { name: "batches", label: "Batches", icon: "stack" },
  { name: "fine_tuning", label: "Fine-tuning", icon: "curve" },
  { name: "keys", label: "Keys", icon: "key", admin: true },
  { name: "usage", label: "Usage", icon: "bars", admin: true },
  { name: "logs", label: "Logs", icon: "lines", admin: true },
  { name: "settings", label: "Settings", icon: "dials", admin: true },
];
